def add_bias(y, b=None):
    """Add b (C,), if there is one, to y (N, C, *axes) in place, and return y."""
    if b is not None:
        y += b.reshape(-1, *(1 for _ in y.shape[2:]))
    return y
