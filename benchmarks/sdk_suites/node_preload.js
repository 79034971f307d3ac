// Has every client of the suite speak plain HTTP through the local cloud's proxy.
const path = require('path');
const index = path.join(process.env.SUITE, 'index.js');
const COS = require(index);
class Local extends COS {
  constructor(options) {
    super({ Protocol: 'http:', ...options, Proxy: process.env.SUITE_PROXY });
  }
}
require.cache[index].exports = Local;

// What the suite asks for by itself, of links that it was given, too.
const library = require.resolve('request', { paths: [process.env.SUITE] });
const request = require(library);
const plain = (asked) => {
  const given = typeof asked === 'string' ? { url: asked } : asked;
  const url = given.url || given.uri;
  if (!/\.(myqcloud\.com|tencentcos\.cn)/.test(url)) return asked;
  return { ...given, url: url.replace(/^https:/, 'http:'), uri: undefined, proxy: process.env.SUITE_PROXY };
};
require.cache[library].exports = Object.assign((asked, ...rest) => request(plain(asked), ...rest), request);

// A test that waits for what does not come waits for less than the two minutes that the suite gives it.
const LIMIT_MS = 90000;
const Suite = require(require.resolve('mocha/lib/suite', { paths: [process.env.SUITE] }));
const timeout = Suite.prototype.timeout;
Suite.prototype.timeout = function (...given) {
  return timeout.apply(this, given.length ? [Math.min(Number(given[0]) || LIMIT_MS, LIMIT_MS)] : given);
};
