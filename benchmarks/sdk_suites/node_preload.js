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
  const url = (typeof asked === 'string' ? asked : asked.url || asked.uri).replace(/^https:/, 'http:');
  return typeof asked === 'string' ? url : { ...asked, url, uri: undefined };
};
require.cache[library].exports = Object.assign((asked, ...rest) => request(plain(asked), ...rest), request);
