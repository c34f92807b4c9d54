"""What can be typed in a shell. Each command is a function that prints and answers whether it went well."""
