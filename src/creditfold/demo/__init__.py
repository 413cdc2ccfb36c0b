"""The demo: real usage, with customers, prices, credits and invoices made up around it."""
