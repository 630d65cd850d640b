"""Launcher: `python cli.py …` is `llmctl …`."""

from llmctl.commands.main import main

if __name__ == "__main__":
    main()
