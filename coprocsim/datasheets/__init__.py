"""What silicon, platform and guest driver agree on: registers, offsets, bits. One file per part."""
