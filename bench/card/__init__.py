"""A simulated SD card for benches and for tests of power cuts, faults and full cards."""
