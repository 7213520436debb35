# Flags of the folders that are compiled for one instruction set.
