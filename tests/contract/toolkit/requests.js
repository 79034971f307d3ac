// Prints what Tencent's deployment tool would send for a serverless.yml of the multi-scf component. Nothing is
// sent: the toolkit's own client is taken over, and answers as an account does that holds nothing.
//
// What is not in a package on npm is done here as the tool's documentation and sources say: ${env:NAME} is replaced
// from the environment, and each function is the shared inputs with its own keys over them, key by key.
const fs = require('fs');
const { createRequire } = require('module');

const told = JSON.parse(process.env.CARDVEIL_TEST);
const load = createRequire(`${told.modules}/x.js`);
const { Capi } = load('@tencent-sdk/capi');
const { Scf, TriggerManager } = load('tencent-component-toolkit');

const sent = [];
Capi.prototype.request = async function (data) {
  sent.push(data);
  const trigger = { TriggerInfo: { Type: data.Type, TriggerName: data.TriggerName } };
  const answers = { ListTriggers: { Triggers: [], TotalCount: 0 }, CreateTrigger: trigger };
  return { Response: answers[data.Action] || {} };
};
console.log = () => {};

function filled(value) {
  if (typeof value === 'string') {
    const whole = value.match(/^\$\{env:([\w.-]+)\}$/);
    if (whole) return process.env[whole[1]];
    return value.replace(/\$\{env:([\w.-]+)\}/g, (_, name) => process.env[name]);
  }
  if (Array.isArray(value)) return value.map(filled);
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, filled(inner)]));
  }
  return value;
}

async function main() {
  const { inputs } = filled(load('js-yaml').load(fs.readFileSync(told.file, 'utf-8')));
  const { src, functions, triggers, ...shared } = inputs;
  const credentials = { SecretId: 'i', SecretKey: 'k' };
  const scf = new Scf(credentials, inputs.region);
  for (const own of Object.values(functions)) {
    const { environments = [], ...whole } = { ...shared, ...own };
    const variables = Object.fromEntries(environments.map(({ key, value }) => [key, value]));
    const code = { bucket: 'code', object: `${own.src}.zip` };
    await scf.scf.create({ ...whole, environment: { variables }, code });
  }
  const named = triggers.map((each) => ({ ...each, function: { name: functions[each.function].name } }));
  await new TriggerManager(credentials, inputs.region).bulkCreateTriggers(named, 'default');
  process.stdout.write(JSON.stringify({ src, region: inputs.region, sent }));
}

main().catch((error) => {
  process.stderr.write(String(error.stack || error));
  process.exit(1);
});
