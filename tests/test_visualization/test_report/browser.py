"""A Chromium without a window, and what it says of a page."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
)


def find(*names: str) -> str:
    """Return the first program that is there, or skip the test."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f'{names[0]} is not installed')


def start(profile: Path) -> Any:
    """Start a browser with an empty profile."""
    selenium = pytest.importorskip('selenium.webdriver')
    binary = find('chromium', 'chromium-browser', 'google-chrome')
    driver = find('chromedriver')
    options = selenium.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f'--user-data-dir={profile}'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    service = selenium.ChromeService(executable_path=driver)
    return selenium.Chrome(options=options, service=service)


def emulate(driver: Any, width: int, scheme: str = 'light') -> None:
    """Give the window a width in pixels, and a colour scheme."""
    driver.execute_cdp_cmd(
        'Emulation.setDeviceMetricsOverride',
        dict(width=width, height=900, deviceScaleFactor=1, mobile=False),
    )
    driver.execute_cdp_cmd(
        'Emulation.setEmulatedMedia',
        dict(features=[dict(name='prefers-color-scheme', value=scheme)]),
    )


def eventually(driver: Any, script: str, expected: Any) -> None:
    """Wait for what a script returns: plots follow a change of the window."""
    deadline = time.monotonic() + 30
    while (found := driver.execute_script(script)) != expected:
        assert time.monotonic() < deadline, f'{found} is not {expected}'
        time.sleep(0.1)


def errors(driver: Any) -> list[str]:
    """Return what the console has complained of."""
    return [entry['message'] for entry in driver.get_log('browser')]
