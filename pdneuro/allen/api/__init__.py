"""The thirteen classes of allensdk.api, with their names and arguments; answers are frames."""
