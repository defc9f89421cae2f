"""What a rehearsal walks: acts and stages (`path`), scenario files (`scenario`, `load`)."""
