// Writes a JSON line for each test of a Mocha run, as it ends.
const fs = require('fs');
module.exports = function (runner) {
  const seen = {};
  const write = (test, fault) => {
    const title = test.fullTitle();
    seen[title] = (seen[title] || 0) + 1;
    const name = seen[title] > 1 ? `${title} #${seen[title]}` : title;
    fs.appendFileSync(process.env.SUITE_RESULTS, JSON.stringify({ name, fault }) + '\n');
  };
  runner.on('pass', (test) => write(test, ''));
  runner.on('fail', (test, error) => write(test, String((error && error.message) || error || 'failed').slice(0, 300)));
};
