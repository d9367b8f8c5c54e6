"""What a run shows and leaves behind: terminal table, charts, the HTML page, the output folder.

`difference` makes the rows, `terminal`, `marked` and `page` render them; `outputs` writes and
reads a folder of results. Nothing here computes a result: every figure is read from the summary.
"""
