// Has every client of the suite speak plain HTTP through the local cloud's proxy, and reports each test.
const path = require('path');
const index = path.join(process.env.SUITE, 'index.js');
const COS = require(index);
class Local extends COS {
  constructor(options) {
    super({ Protocol: 'http:', ...options, Proxy: process.env.SUITE_PROXY });
  }
}
require.cache[index].exports = Local;
