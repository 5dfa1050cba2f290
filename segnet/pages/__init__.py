"""What HTML pages share: one style sheet, the scripts of charts and tables, and pictures that travel inside a page."""

from segnet.pages.charts import Chart, PlotlyValues, View, escape
from segnet.pages.page import render
from segnet.pages.pictures import data_uri, few_colours, photograph

__all__ = ["Chart", "PlotlyValues", "View", "data_uri", "escape", "few_colours", "photograph", "render"]
