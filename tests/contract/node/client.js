// Drives the local COS with the vendor's Node.js SDK; told what to do in CARDVEIL_TEST, prints what it saw as JSON.
'use strict';
const { createRequire } = require('node:module');
const path = require('node:path');

const told = JSON.parse(process.env.CARDVEIL_TEST);
const COS = createRequire(path.join(told.modules, 'index.js'))('cos-nodejs-sdk-v5');
const place = { Bucket: told.bucket, Region: told.region };

function client(credentials) {
  return new COS({ ...credentials, Proxy: told.proxy, Protocol: 'http:', Retry: 0, ChunkRetryTimes: 0 });
}

async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return { status: error.statusCode, code: error.code };
  }
}

async function main() {
  const cos = client(told.owner);
  const key = '证件/a b+c%41.jpg';
  const saw = {};
  const forbid = { ...place, Key: key, Body: 'abc', Headers: { 'x-cos-forbid-overwrite': 'true' } };
  const put = await cos.putObject({
    ...forbid,
    ContentType: 'image/jpeg',
    Headers: { ...forbid.Headers, 'x-cos-meta-side': 'front' },
  });
  saw.put = { etag: put.ETag, requestId: Boolean(put.RequestId) };
  saw.forbidden = await refusal(cos.putObject(forbid));
  const head = await cos.headObject({ ...place, Key: key });
  saw.head = { etag: head.ETag, type: head.headers['content-type'], side: head.headers['x-cos-meta-side'] };
  const part = await cos.getObject({ ...place, Key: key, Range: 'bytes=1-' });
  saw.range = { status: part.statusCode, body: part.Body.toString() };
  saw.missing = await refusal(cos.getObject({ ...place, Key: 'missing' }));
  saw.missingHead = await refusal(cos.headObject({ ...place, Key: 'missing' }));

  const sliced = await cos.uploadFile({
    ...place, Key: 'large', FilePath: told.large, SliceSize: 1024 * 1024, ChunkSize: 1024 * 1024,
  });
  saw.sliced = sliced.ETag;

  const source = `${told.bucket}.cos.${told.region}.myqcloud.com/${encodeURIComponent(key).replace(/%2F/g, '/')}`;
  await cos.putObjectCopy({ ...place, Key: 'copy', CopySource: source });
  await cos.putObjectTagging({ ...place, Key: 'copy', Tags: [{ Key: '面', Value: 'front' }] });
  saw.tags = (await cos.getObjectTagging({ ...place, Key: 'copy' })).Tags;

  saw.listed = [];
  let marker = '';
  do {
    const page = await cos.getBucket({ ...place, MaxKeys: 2, Marker: marker });
    saw.listed.push(...page.Contents.map((item) => item.Key));
    marker = page.IsTruncated === 'true' ? page.NextMarker : null;
  } while (marker !== null);
  saw.folders = (await cos.getBucket({ ...place, Delimiter: '/' })).CommonPrefixes.map((item) => item.Prefix);

  saw.url = cos.getObjectUrl({ ...place, Key: key, Sign: true, Expires: 60 });
  saw.buckets = (await cos.getService()).Buckets.map((item) => item.Name);
  saw.temporary = (await client(told.temporary).headObject({ ...place, Key: key })).statusCode;
  saw.wrong = await refusal(client({ ...told.owner, SecretKey: 'not-the-key' }).getBucket(place));

  const gone = await cos.deleteMultipleObject({ ...place, Objects: [{ Key: 'copy' }, { Key: 'large' }] });
  saw.deleted = gone.Deleted.map((item) => item.Key);
  console.log(JSON.stringify(saw));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
