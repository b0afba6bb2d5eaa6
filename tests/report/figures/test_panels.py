from matplotlib.figure import Figure

from qsmstats.report.figures.panels import label_lowest


def test_the_lowest_panel_of_each_column_carries_the_axis():
    panels = list(Figure().subplots(2, 3, sharex=True).flat)[:5]
    label_lowest(panels, 3, "years")
    assert [panel.get_xlabel() for panel in panels] == ["", "", "years", "years", "years"]
