"""What the commands are given: options, prompts, the environment, files and standard input."""
