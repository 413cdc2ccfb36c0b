"""The pure fold: state, catalog and fact in; new state and entries out. Laws: README.md."""
