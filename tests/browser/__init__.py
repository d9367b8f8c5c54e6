"""What a person meets in a browser: pages in Debian's Chromium, driven by Playwright.

`make test-browser` installs Chromium where it is missing (with apt-get) and runs these tests;
pictures are left in `results/browser/`, to be looked at.
"""
