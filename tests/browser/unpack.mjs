// Unpacks the Chromium that the browser tests use, with its libraries and fonts, into .chromium/ beside this file.
// npm runs it after `npm ci --prefix tests/browser`. No script of the installed packages runs: their files are only read.
import { copyFileSync, createReadStream, createWriteStream, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";
import { brotliDecompressSync, createBrotliDecompress } from "node:zlib";

const HERE = import.meta.dirname;
const SOURCE = join(HERE, "node_modules/@sparticuz/chromium/bin");
const FONTS = join(HERE, "node_modules/dejavu-fonts-ttf/ttf");
const TARGET = join(HERE, ".chromium");

// A tar file is a row of 512-byte blocks: a header (name at 0, size in octal at 124, kind at 156), then the content.
function untar(archive, folder) {
  const tar = brotliDecompressSync(readFileSync(archive));
  const text = (at, length) => tar.toString("latin1", at, at + length).split("\0", 1)[0];
  for (let at = 0; tar[at]; ) {
    const name = normalize(text(at, 100));
    const size = Number.parseInt(text(at + 124, 12), 8);
    const isFile = text(at + 156, 1) === "0" || tar[at + 156] === 0;
    at += 512;
    if (name.startsWith("..") || name.startsWith("/")) throw new Error(`${archive} holds a file outside its folder: ${name}`);
    if (isFile) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), tar.subarray(at, at + size), { mode: 0o755 });
    }
    at += Math.ceil(size / 512) * 512;
  }
}

// The pages are drawn with these fonts alone, so that a layout does not depend on what the machine has installed.
// Open Sans has Latin and Greek; arrows, symbols and mathematics come from DejaVu.
const DEJAVU = ["Sans", "Sans-Bold", "SansMono", "SansMono-Bold", "Serif", "Serif-Bold", "MathTeXGyre"].map((style) => `DejaVu${style}.ttf`);

function fontsConf() {
  const alias = (family, ...fonts) =>
    `<alias binding="same"><family>${family}</family><prefer>${fonts.map((font) => `<family>${font}</family>`).join("")}</prefer></alias>`;
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir prefix="relative">fonts</dir>
${["sans-serif", "system-ui"].map((family) => alias(family, "Open Sans", "DejaVu Sans")).join("\n")}
${["monospace", "ui-monospace"].map((family) => alias(family, "DejaVu Sans Mono")).join("\n")}
${alias("serif", "DejaVu Serif", "DejaVu Sans")}
${alias("math", "DejaVu Math TeX Gyre", "DejaVu Sans")}
</fontconfig>
`;
}

async function unpack() {
  rmSync(TARGET, { recursive: true, force: true });
  mkdirSync(join(TARGET, "fonts"), { recursive: true });
  untar(join(SOURCE, "al2023.tar.br"), TARGET); // lib/: nss, nspr, expat
  untar(join(SOURCE, "swiftshader.tar.br"), TARGET); // drawing without a GPU; Chromium looks for it beside itself
  untar(join(SOURCE, "fonts.tar.br"), TARGET); // fonts/Open_Sans/
  for (const font of DEJAVU) copyFileSync(join(FONTS, font), join(TARGET, "fonts", font));
  writeFileSync(join(TARGET, "fonts.conf"), fontsConf());
  // The executable last and under its name only when whole: where it stands, everything stands.
  const partial = join(TARGET, "chromium.partial");
  await pipeline(createReadStream(join(SOURCE, "chromium.br")), createBrotliDecompress({ chunkSize: 1 << 20 }), createWriteStream(partial, { mode: 0o755 }));
  renameSync(partial, join(TARGET, "chromium"));
}

if (process.platform !== "linux" || process.arch !== "x64") {
  console.log(`No Chromium unpacked: it runs on x86-64 Linux only, this is ${process.arch} ${process.platform}. Set GRADLAB_CHROMIUM to a Chromium or Chrome.`);
} else {
  try {
    await unpack();
  } catch (error) {
    console.error(`Chromium could not be unpacked into ${TARGET}: ${error.message}`);
    console.error("Run `npm ci --prefix tests/browser` from the repository root again.");
    process.exit(1);
  }
}
