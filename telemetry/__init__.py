"""What the API and the executors tell an operator of themselves: logs, and traces.

Imports nothing of ours, so that every part may use it.
"""
