"""The thirteen classes of allensdk.api, with their names and arguments; they return DataFrames."""
