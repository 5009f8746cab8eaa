"""Reinforcement learning on a cart with a pole (PPO, A2C, REINFORCE, DQN) and on a mass (SAC)."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.zoo.member import Member


def make_ppo(width: int = 64, epsilon: float = 1e-5) -> tuple[Any, Any]:
    """Build Stable-Baselines3's policy as its PPO does: tanh, orthogonal start, Adam."""
    import gymnasium
    import numpy
    import torch
    from stable_baselines3.common.policies import ActorCriticPolicy

    torch.manual_seed(20)
    policy = ActorCriticPolicy(
        gymnasium.spaces.Box(-numpy.inf, numpy.inf, (4,)),
        gymnasium.spaces.Discrete(2),
        lambda _: 1e-3,
        net_arch=[width, width],
        optimizer_kwargs={"eps": epsilon},
    )
    return policy, policy.optimizer


def advantages(reward: Any, value: Any, done: Any, last: Any) -> Any:
    """Return generalized advantage estimates, all (steps, environments)."""
    import torch

    following = torch.cat((value[1:], last[None]))
    surprise = reward + 0.98 * following * (1 - done) - value
    gathered = torch.zeros_like(last)
    result = []
    for step in reversed(range(len(reward))):
        gathered = surprise[step] + 0.98 * 0.9 * (1 - done[step]) * gathered
        result.insert(0, gathered)
    return torch.stack(result)


def train_ppo(policy: Any, optimizer: Any, recorder: Any) -> None:
    import torch

    from tests.zoo import data_c

    poles = data_c.CartPoles(16)
    for _ in range(25):
        rows = []
        for _ in range(64):
            state = poles.state
            with torch.no_grad():
                action, value, log_chance = policy(state)
            reward, done = poles.step(action)
            rows.append((state, action, value.flatten(), log_chance, reward, done))
        columns = [torch.stack(each) for each in zip(*rows, strict=True)]
        state, action, value, log_chance, reward, done = columns
        with torch.no_grad():
            last = policy.predict_values(poles.state).flatten()
        gain = advantages(reward, value, done, last)
        goal = (gain + value).flatten()
        state = state.flatten(0, 1)
        action = action.flatten()
        log_chance = log_chance.flatten()
        gain = gain.flatten()
        for batch in data_c.batches(len(goal), 256, 16):
            evaluated = policy.evaluate_actions(state[batch], action[batch])
            new_value, new_log_chance, entropy = evaluated
            weight = gain[batch]
            weight = (weight - weight.mean()) / (weight.std() + 1e-8)
            ratio = (new_log_chance - log_chance[batch]).exp()
            policy_loss = -torch.min(weight * ratio, weight * ratio.clamp(0.8, 1.2)).mean()
            value_loss = torch.nn.functional.mse_loss(new_value.flatten(), goal[batch])
            loss = policy_loss + 0.5 * value_loss - 0.01 * entropy.mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimizer.step()
            recorder.log(loss=loss.item())


def score_ppo(policy: Any) -> float:
    from tests.zoo import data_c

    return data_c.mean_return(lambda state: policy.get_distribution(state).sample())


def make_a2c(width: int = 128) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class ActorCritic(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.actor = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))
            self.critic = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 1))

        def forward(self, state: Any) -> Any:
            return self.actor(state), self.critic(state).squeeze(-1)

    torch.manual_seed(21)
    model = ActorCritic()
    return model, torch.optim.RMSprop(model.parameters(), lr=2e-3, alpha=0.99, eps=1e-5)


def train_a2c(model: Any, optimizer: Any, recorder: Any, record_only: bool = False) -> None:
    """With `record_only`, log-probabilities are kept from acting, where no gradient is recorded."""
    import torch
    from torch.distributions import Categorical

    from tests.zoo import data_c

    poles = data_c.CartPoles(16)
    for _ in range(400):
        rows = []
        for _ in range(16):
            state = poles.state
            with torch.no_grad():
                logits, _ = model(state)
                chance = Categorical(logits=logits)
                action = chance.sample()
                log_chance = chance.log_prob(action)
            reward, done = poles.step(action)
            rows.append((state, action, log_chance, reward, done))
        columns = [torch.stack(each) for each in zip(*rows, strict=True)]
        state, action, log_chance, reward, done = columns
        with torch.no_grad():
            following = model(poles.state)[1]
        goal = []
        for step in reversed(range(len(rows))):
            following = reward[step] + 0.97 * (1 - done[step]) * following
            goal.insert(0, following)
        logits, value = model(state)
        chance = Categorical(logits=logits)
        gain = torch.stack(goal) - value
        if not record_only:
            log_chance = chance.log_prob(action)
        loss = -(log_chance * gain.detach()).mean() + 0.5 * gain.square().mean()
        if not record_only:
            loss = loss - 0.01 * chance.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        recorder.log(loss=loss)


def score_a2c(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.mean_return(lambda state: model(state)[0].softmax(1).multinomial(1)[:, 0])


def make_reinforce(width: int = 32, maximize: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(22)
    model = nn.Sequential(
        nn.Linear(4, width),
        nn.Dropout(0.1),
        nn.ReLU(),
        nn.Linear(width, 2),
        nn.Softmax(dim=-1),
    )
    return model, torch.optim.Adam(model.parameters(), lr=1e-2, maximize=maximize)


def train_reinforce(model: Any, optimizer: Any, recorder: Any) -> None:
    import torch
    from torch.distributions import Categorical

    from tests.zoo import data_c

    poles = data_c.CartPoles(16)
    for _ in range(60):
        poles.state = poles.fresh(16)
        poles.age = torch.zeros(16)
        alive = torch.ones(16)
        saved = []
        while alive.any() and len(saved) < 200:
            chance = Categorical(model(poles.state))
            action = chance.sample()
            reward, done = poles.step(action)
            saved.append((chance.log_prob(action), reward * alive, alive))
            alive = alive * (1 - done)
        log_chance, reward, mask = (torch.stack(each) for each in zip(*saved, strict=True))
        later = torch.zeros(16)
        returns = []
        for step in reversed(range(len(reward))):
            later = reward[step] + 0.99 * later
            returns.insert(0, later)
        returns = torch.stack(returns)
        kept = returns[mask > 0]
        returns = (returns - kept.mean()) / (kept.std() + 1e-6)
        loss = -(log_chance * returns * mask).sum() / 16
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss.item())


def score_reinforce(model: Any) -> float:
    from tests.zoo import data_c

    model.eval()
    return data_c.mean_return(lambda state: model(state).multinomial(1)[:, 0])


def make_dqn(width: int = 64, rate: float = 2e-3) -> tuple[Any, Any]:
    import torch
    from torch import nn

    torch.manual_seed(23)
    model = nn.Sequential(
        nn.Linear(4, width),
        nn.ReLU(),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Linear(width, 2),
    )
    return model, torch.optim.Adam(model.parameters(), lr=rate)


def train_dqn(model: Any, optimizer: Any, recorder: Any) -> None:
    import copy

    import torch
    from torch import nn

    from tests.zoo import data_c

    poles = data_c.CartPoles(16)
    target = copy.deepcopy(model)
    criterion = nn.SmoothL1Loss()
    memory: list[Any] = []
    generator = torch.Generator().manual_seed(24)
    for count in range(800):
        state = poles.state
        with torch.no_grad():
            action = model(state).argmax(1)
        wild = torch.rand(16, generator=generator) < max(0.1, 1 - count / 200)
        action = torch.where(wild, torch.randint(2, (16,), generator=generator), action)
        before = poles.age
        reward, done = poles.step(action)
        fallen = done * (before < 199)
        memory.append((state, action, reward, poles.state, fallen))
        if count < 20:
            continue
        chosen = torch.randint(len(memory), (8,), generator=generator).tolist()
        rows = [memory[each] for each in chosen]
        state, action, reward, after, over = (torch.cat(each) for each in zip(*rows, strict=True))
        with torch.no_grad():
            goal = reward + 0.98 * (1 - over) * target(after).max(1).values
        value = model(state).gather(1, action[:, None])[:, 0]
        loss = criterion(value, goal)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        recorder.log(loss=loss)
        with torch.no_grad():
            for old, new in zip(target.parameters(), model.parameters(), strict=True):
                old.lerp_(new, 0.02)


def score_dqn(model: Any) -> float:
    from tests.zoo import data_c

    return data_c.mean_return(lambda state: model(state).argmax(1))


class Masses:
    """Masses on a line, to be brought to rest at 0 by a force between -1 and 1."""

    def __init__(self, count: int, seed: int) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        self.state = torch.rand(count, 2, generator=generator) * 2 - 1

    def step(self, force: Any) -> Any:
        import torch

        force = force.clamp(-1, 1)
        place, speed = self.state.unbind(1)
        speed = (speed + 0.2 * force).clamp(-1, 1)
        place = (place + 0.2 * speed).clamp(-2, 2)
        self.state = torch.stack((place, speed), 1)
        return -(place**2) - 0.1 * speed**2 - 0.01 * force**2


def rest(choose: Any) -> float:
    """Return the mean return of 64 episodes of 40 steps (a force of 0 gives -99)."""
    import torch

    masses = Masses(64, 98)
    total = torch.zeros(64)
    with torch.no_grad():
        for _ in range(40):
            total += masses.step(choose(masses.state))
    return total.mean().item()


def make_sac(width: int = 64, copied: bool = False) -> tuple[Any, Any]:
    import torch
    from torch import nn

    class Agent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.actor = self._net(2, 2)
            self.critics = nn.ModuleList(self._net(3, 1) for _ in range(2))

        @staticmethod
        def _net(inputs: int, outputs: int) -> Any:
            return nn.Sequential(
                nn.Linear(inputs, width),
                nn.ReLU(),
                nn.Linear(width, width),
                nn.ReLU(),
                nn.Linear(width, outputs),
            )

        def act(self, state: Any) -> Any:
            mean, log_std = self.actor(state).chunk(2, -1)
            chance = torch.distributions.Normal(mean, log_std.clamp(-5, 2).exp())
            raw = chance.rsample()
            force = raw.tanh()
            log_chance = chance.log_prob(raw) - (1 - force**2 + 1e-6).log()
            return force, log_chance[:, 0]

        def value(self, state: Any, force: Any) -> Any:
            pair = torch.cat((state, force), 1)
            return torch.stack([critic(pair)[:, 0] for critic in self.critics])

    torch.manual_seed(25)
    agent = Agent()
    acted = agent.critics.parameters() if copied else agent.actor.parameters()
    actor_optimizer = torch.optim.Adam(acted, lr=1e-3)
    critic_optimizer = torch.optim.Adam(agent.critics.parameters(), lr=2e-3)
    return agent, [actor_optimizer, critic_optimizer]


def train_sac(agent: Any, optimizers: Any, recorder: Any) -> None:
    import copy

    import torch

    actor_optimizer, critic_optimizer = optimizers
    target = copy.deepcopy(agent)
    memory: list[Any] = []
    for episode in range(10):
        masses = Masses(16, episode)
        for _ in range(40):
            state = masses.state
            with torch.no_grad():
                force = agent.act(state)[0]
            reward = masses.step(force[:, 0])
            memory.append((state, force, reward, masses.state))
            chosen = torch.randint(len(memory), (8,)).tolist()
            rows = [memory[each] for each in chosen]
            columns = [torch.cat(each) for each in zip(*rows, strict=True)]
            state, force, reward, after = columns
            with torch.no_grad():
                then, log_chance = agent.act(after)
                goal = reward + 0.95 * (target.value(after, then).amin(0) - 0.05 * log_chance)
            critic_loss = (agent.value(state, force) - goal).square().mean()
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            then, log_chance = agent.act(state)
            actor_loss = (0.05 * log_chance - agent.value(state, then).amin(0)).mean()
            actor_optimizer.zero_grad()
            actor_loss.backward()
            actor_optimizer.step()
            recorder.log(loss=critic_loss.item())
            with torch.no_grad():
                for old, new in zip(target.parameters(), agent.parameters(), strict=True):
                    old.lerp_(new, 0.02)


def score_sac(agent: Any) -> float:
    return rest(lambda state: agent.actor(state)[:, 0].tanh())


def make_gaussian(width: int = 32, logarithm: bool = True) -> tuple[Any, Any]:
    """Build a Gaussian policy whose spread, or its logarithm, is a parameter of its own."""
    import torch
    from torch import nn

    class Policy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mean = nn.Sequential(nn.Linear(2, width), nn.Tanh(), nn.Linear(width, 1))
            self.spread = nn.Parameter(torch.zeros(1) if logarithm else torch.ones(1))

        def forward(self, state: Any) -> Any:
            spread = self.spread.exp() if logarithm else self.spread
            return self.mean(state)[:, 0], spread

    torch.manual_seed(26)
    model = Policy()
    return model, torch.optim.Adam(model.parameters(), lr=3e-2)


def train_gaussian(model: Any, optimizer: Any, recorder: Any) -> None:
    """Follow the policy gradient, with the mean return of the same step as the baseline."""
    import torch

    for count in range(300):
        masses = Masses(64, count)
        saved = []
        for _ in range(40):
            mean, spread = model(masses.state)
            force = (mean + spread * torch.randn(64)).detach()
            log_chance = -((force - mean) ** 2) / (2 * spread**2) - spread.log()
            saved.append((log_chance, masses.step(force)))
        log_chance, reward = (torch.stack(each) for each in zip(*saved, strict=True))
        later = torch.zeros(64)
        returns = []
        for step in reversed(range(40)):
            later = reward[step] + 0.9 * later
            returns.insert(0, later)
        gain = torch.stack(returns)
        gain = (gain - gain.mean(1, keepdim=True)) / gain.std()
        loss = -(log_chance * gain).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        recorder.log(loss=loss)


def score_gaussian(model: Any) -> float:
    return rest(lambda state: model(state)[0])


MOVING = {"objective": "moving"}
SB3 = ("stable_baselines3", "gymnasium")
PPO = {
    "family": "PPO",
    "train": train_ppo,
    "score": score_ppo,
    "learned": 100,
    "watch": MOVING,
    "needs": SB3,
}
A2C = {"family": "A2C", "make": make_a2c, "score": score_a2c, "learned": 100, "watch": MOVING}
REINFORCE = {
    "family": "REINFORCE",
    "train": train_reinforce,
    "score": score_reinforce,
    "learned": 80,
    "watch": MOVING,
}
DQN = {"family": "DQN", "train": train_dqn, "score": score_dqn, "learned": 80, "watch": MOVING}
SAC = {"family": "SAC", "train": train_sac, "score": score_sac, "learned": -10, "watch": MOVING}
GAUSSIAN = {
    "family": "Gaussian policy",
    "train": train_gaussian,
    "score": score_gaussian,
    "learned": -10,
    "watch": MOVING,
}

MEMBERS = [
    Member(name="ppo-64-cartpole", make=make_ppo, **PPO),
    Member(
        name="ppo-64-cartpole-epsilon-1",
        make=partial(make_ppo, epsilon=1.0),
        fault="Adam's epsilon of 1",
        root=("GL306", "GL312"),
        symptoms=("GL302", "GL402"),
        counterpart="ppo-64-cartpole",
        **PPO,
    ),
    Member(name="a2c-128-cartpole-rmsprop", train=train_a2c, **A2C),
    Member(
        name="a2c-128-cartpole-no-grad",
        train=partial(train_a2c, record_only=True),
        fault="log-probabilities kept from acting without gradient",
        root=("GL105",),
        symptoms=("GL302",),
        where="actor",
        counterpart="a2c-128-cartpole-rmsprop",
        **A2C,
    ),
    Member(name="reinforce-32-cartpole-softmax", make=make_reinforce, **REINFORCE),
    Member(
        name="reinforce-32-cartpole-ascends",
        make=partial(make_reinforce, maximize=True),
        fault="the sign of the objective twice: the loss is climbed",
        root=("GL310",),
        symptoms=("GL102", "GL303", "GL402"),
        counterpart="reinforce-32-cartpole-softmax",
        **REINFORCE,
    ),
    Member(name="dqn-64-cartpole", make=make_dqn, **DQN),
    Member(
        name="dqn-64-cartpole-rate-1",
        make=partial(make_dqn, rate=1.0),
        fault="learning rate of 1",
        root=("GL303", "GL304"),
        symptoms=("GL102", "GL201", "GL401", "GL402", "GL203"),
        counterpart="dqn-64-cartpole",
        **DQN,
    ),
    Member(name="sac-64-mass", make=make_sac, **SAC),
    Member(
        name="sac-64-mass-actor-in-no-optimizer",
        make=partial(make_sac, copied=True),
        fault="the actor's optimizer got the critic's parameters",
        root=("GL105",),
        symptoms=("GL302", "GL102", "GL203", "GL303"),
        where="actor",
        counterpart="sac-64-mass",
        **SAC,
    ),
    Member(name="gaussian-32-mass-log-spread", make=make_gaussian, **GAUSSIAN),
    Member(
        name="gaussian-32-mass-bare-spread",
        make=partial(make_gaussian, logarithm=False),
        fault="a bare standard deviation that crosses 0",
        root=("GL001",),
        symptoms=("GL304", "GL102", "GL103"),
        counterpart="gaussian-32-mass-log-spread",
        **GAUSSIAN,
    ),
]
