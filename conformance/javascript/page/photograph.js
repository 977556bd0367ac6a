// A picture of the page: node page/photograph.js URL OUT.png WIDTH HEIGHT [KEY…]
// Each KEY is pressed, as a person would. CHROMIUM says which browser.
import { chromium } from 'playwright-core';

const [url, path, width, height, ...keys] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-gpu', '--no-first-run'],
});
try {
  const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) }, colorScheme: 'light', timezoneId: 'UTC', locale: 'en' });
  await page.goto(url);
  await page.waitForSelector('[data-ready]');
  for (const key of keys) await page.keyboard.press(key);
  await page.waitForTimeout(500);
  await page.waitForSelector('[data-ready]');
  await page.screenshot({ path, animations: 'disabled' });
} finally {
  await browser.close();
}
