"""One module a family of commands; ``frontend.cli.main.COMMANDS`` lists them."""
