"""From tensors to numbers, on the device where they lie."""
