"""The procedure of a cutover: its steps, where each leads, and the gates before and after it.

Ground floor: it imports names and errors alone, and reaches mirror, clusters, cutover file and journal through the
protocols in `protocols`. A step is one class in `steps`; its gates read the conditions in `conditions`.
"""
