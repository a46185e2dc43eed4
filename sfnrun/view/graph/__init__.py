"""Pictures of a state machine, with the path that an execution took: Mermaid, Graphviz and SVG."""
