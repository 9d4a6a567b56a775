"""From results to pictures. Never kernels."""
