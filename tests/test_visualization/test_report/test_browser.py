"""The page in a browser: drawn without errors, readable, to be walked."""

import pytest

from mmada.visualization.report import ReportOptions, write_report
from tests.test_visualization.test_report.browser import (
    emulate,
    errors,
    eventually,
    start,
)
from tests.test_visualization.test_report.oracle import (
    NUM_IMAGES,
    make_models,
)
from tests.test_visualization.test_report.runs import (
    CONFIG,
    make_run,
    resampled,
)

OVERFLOW = (
    'return document.documentElement.scrollWidth'
    ' - document.documentElement.clientWidth'
)
WIDER = (
    "return [...document.querySelectorAll('main p, .key, figure')]"
    '.filter((e) => e.scrollWidth > e.clientWidth + 1)'
    '.map((e) => e.outerHTML.slice(0, 80))'
)
INKS = (
    "return [...new Set([...document.querySelectorAll('.xtitle')]"
    '.map((e) => getComputedStyle(e).fill))]'
)


@pytest.fixture(scope='module')
def driver(tmp_path_factory):
    browser = start(tmp_path_factory.mktemp('profile'))
    yield browser
    browser.quit()


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp('page')
    blind, perfect = make_models(folder)
    config = (perfect / 'config.py').read_text() + CONFIG
    make_run(
        perfect, rounds=4, epochs=2, config=config, resamples=resampled(1)
    )
    other = make_run(folder / 'another-run-with-quite-a-long-name')
    options = ReportOptions(others=[other], baseline=blind, images=NUM_IMAGES)
    return write_report(perfect, options).page


@pytest.fixture
def opened(driver, page):
    emulate(driver, 1280)
    driver.get(page.as_uri())
    return driver


def texts(driver, selector):
    found = driver.find_elements('css selector', selector)
    return [element.text for element in found]


def title(driver):
    return texts(driver, '#viewer-title')[0]


def press(driver, name):
    from selenium.webdriver.common.keys import Keys

    driver.switch_to.active_element.send_keys(getattr(Keys, name))


def test_all_plots_are_drawn_without_an_error(opened):
    drawn = opened.execute_script(
        "return [...document.querySelectorAll('.chart')].map((chart) => "
        "chart.querySelectorAll('.trace path, .point path').length)"
    )
    assert len(drawn) > 10
    assert all(drawn)
    assert errors(opened) == []


@pytest.mark.parametrize('width', [1280, 390])
def test_nothing_is_wider_than_the_window(opened, width):
    emulate(opened, width)
    eventually(opened, OVERFLOW, 0)
    # Text that runs over would be hidden by the plot's own frame.
    eventually(opened, WIDER, [])


def test_the_contents_lead_to_every_section(opened):
    links = opened.find_elements('css selector', 'nav a')
    targets = [link.get_attribute('href').partition('#')[2] for link in links]
    sections = opened.find_elements('css selector', 'main section')
    assert targets == [section.get_attribute('id') for section in sections]
    assert {'summary', 'trust', 'weights', 'gallery', 'config'} <= set(targets)


def test_the_gallery_opens_and_is_walked_with_keys(opened):
    opened.find_elements('css selector', '.views button')[3].click()
    assert title(opened).startswith(f'1 of {NUM_IMAGES}: +')
    assert title(opened).endswith('ours: perfect PQ 100.0')
    first = opened.find_element('id', 'viewer-image').get_attribute('src')
    press(opened, 'ARROW_UP')
    assert 'baseline: blind' in title(opened)
    press(opened, 'ARROW_RIGHT')
    assert title(opened).startswith(f'2 of {NUM_IMAGES}')
    press(opened, 'ARROW_LEFT')
    press(opened, 'ARROW_LEFT')
    assert title(opened).startswith(f'{NUM_IMAGES} of {NUM_IMAGES}')
    image = opened.find_element('id', 'viewer-image')
    assert image.get_attribute('src') != first
    assert opened.execute_script('return arguments[0].naturalWidth', image)
    press(opened, 'ESCAPE')
    assert not opened.find_element('id', 'viewer').is_displayed()


def test_the_gallery_is_walked_with_buttons(opened):
    opened.find_elements('css selector', '.views button')[0].click()
    assert opened.find_element('id', 'viewer').is_displayed()
    opened.find_element('css selector', '[data-step=next]').click()
    assert title(opened).startswith('2 of')
    opened.find_element('css selector', '[data-step=previous]').click()
    views = opened.find_elements('css selector', '#viewer-views button')
    views[1].click()
    assert title(opened).startswith('1 of') and 'truth' in title(opened)
    opened.find_element('css selector', '[data-step=close]').click()
    assert not opened.find_element('id', 'viewer').is_displayed()


def test_a_name_in_the_legend_hides_dots_and_line(opened):
    visible = (
        "return document.querySelector('#weights .plot').data"
        '.filter((trace) => trace.visible !== false).length'
    )
    assert opened.execute_script(visible) == 6
    button = opened.find_element('css selector', '#weights .key button')
    button.click()
    assert opened.execute_script(visible) == 4
    assert button.get_attribute('aria-pressed') == 'false'
    button.click()
    assert opened.execute_script(visible) == 6


def test_text_of_plots_follows_the_colour_scheme(opened):
    eventually(opened, INKS, ['rgb(32, 33, 36)'])
    emulate(opened, 1280, 'dark')
    eventually(opened, INKS, ['rgb(232, 234, 237)'])
    assert errors(opened) == []
