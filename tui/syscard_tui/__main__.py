"""`python -m syscard_tui`: the same as `syscard`."""

from syscard_tui.main import main

if __name__ == "__main__":
    main()
