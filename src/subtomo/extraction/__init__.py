"""From a plan to its particles: filters, slices, terms, projections, and the stream that all jobs consume."""
