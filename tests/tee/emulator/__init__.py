"""The parts of tee-emulator: see docs/tee-emulator.md."""
