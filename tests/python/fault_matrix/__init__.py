"""The fault matrix: modes x points of the protocol x faults. table.txt says how each cell must end, the modules
make it happen and say how it ended; tests/live/faults.py runs it."""
