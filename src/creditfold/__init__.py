"""creditfold: customer credits for usage-based billing, folded from events, exact to the cent."""
