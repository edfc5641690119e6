"""Find the fault: a backward of the library in which one line may have been changed, and who finds it."""
