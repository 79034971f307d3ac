"""The account through the official SDK: calls by name, errors that say which permission is missing."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any, Final

from cardveil.storage.encryption import encrypting
from cardveil_cli.deploy.access import Access, client_profile, refusal
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.package.trees import digest

#: API 3.0 takes 10 MB a request, and Base64 makes four bytes of three: larger zips go by way of COS.
INLINE_LIMIT: Final = 7 * 1024 * 1024
_PAUSE_S: Final = 0.2
_PATIENCE_S: Final = 180.0


class Account:
    """Calls SCF's API, and COS for zips that are too large for it.

    Parameters
    ----------
    bucket
        Full name of the bucket through which large zips go.
    state_prefix
        Under which prefix of it.
    encryption
        How the zips are encrypted at rest; see `Settings.encryption`.
    """

    def __init__(
        self,
        access: Access,
        bucket: str,
        state_prefix: str = ".cardveil/",
        sleep: Callable[[float], None] = time.sleep,
        encryption: str = "AES256",
    ) -> None:
        from tencentcloud.common.credential import Credential
        from tencentcloud.scf.v20180416.scf_client import ScfClient

        credential = Credential(access.secret_id, access.secret_key, access.token or None)
        self._client = ScfClient(credential, access.region, client_profile(access, "scf"))
        self.access = access
        self._bucket = bucket
        self._prefix = f"{state_prefix}deploy/"
        self._sleep = sleep
        self._encryption = encryption

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """Call one action.

        Raises
        ------
        DeployError
            If it is refused; the text names the action, and the permission when that is what is missing.
        """
        answer = self.find(action, **parameters)
        if answer is None:
            raise DeployError(f"scf:{action}: what it was called for does not exist")
        return answer

    def find(self, action: str, **parameters: Any) -> dict[str, Any] | None:
        """Call one action; None when what it asks for does not exist. Raises as `call` does."""
        from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
        from tencentcloud.scf.v20180416 import models

        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(parameters))
        try:
            answer = getattr(self._client, action)(request)
        except TencentCloudSDKException as error:
            if str(error.code).startswith("ResourceNotFound"):
                return None
            raise refusal(f"scf:{action}", error) from None
        found: dict[str, Any] = json.loads(answer.to_json_string())
        return found

    def code(self, data: bytes) -> dict[str, Any]:
        """Return a zip in the form that the API takes; a large one is put into the bucket first."""
        if len(data) <= INLINE_LIMIT:
            return {"ZipFile": base64.b64encode(data).decode("ascii")}
        key = f"{self._prefix}{digest(data)}.zip"
        with _cos_errors():
            client = self._cos()
            if not client.object_exists(self._bucket, key):
                client.put_object(Bucket=self._bucket, Key=key, Body=data, EnableMD5=True)
        # Without the application id; the region is not asked for but in Beijing, and welcome everywhere.
        name = self._bucket.rpartition("-")[0]
        return {"CosBucketName": name, "CosObjectName": f"/{key}", "CosBucketRegion": self.access.region}

    def forget(self, data: bytes) -> None:
        """Remove what `code` has put into the bucket."""
        if len(data) > INLINE_LIMIT:
            with _cos_errors():
                self._cos().delete_object(Bucket=self._bucket, Key=f"{self._prefix}{digest(data)}.zip")

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object."""
        with _cos_errors():
            self._cos().put_object(Bucket=bucket, Key=key, Body=data, EnableMD5=True)

    def get(self, bucket: str, key: str) -> bytes | None:
        """Read an object; None when it is not there."""
        with _cos_errors():
            client = self._cos()
            if not client.object_exists(bucket, key):
                return None
            body: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].get_raw_stream().read()
            return body

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object, which need not be there."""
        with _cos_errors():
            self._cos().delete_object(Bucket=bucket, Key=key)

    def bucket_state(self, other: str = "") -> str:
        """Return what is to be said of the bucket, or of another one that results go to.

        Raises
        ------
        DeployError
            If it cannot be reached, or is versioned: a picture, an answer or a copy that is deleted would
            stay there as an old version.
        """
        bucket = other or self._bucket
        from qcloud_cos.cos_exception import CosClientError, CosServiceError

        try:
            client = self._cos()
            client.head_bucket(bucket)
            versions = client.get_bucket_versioning(bucket).get("Status", "")
        except CosServiceError as error:
            what = "make it, or correct CARDVEIL_BUCKET and the region"
            if error.get_status_code() == 403:
                what = "grant cos:HeadBucket and cos:GetBucketVersioning to the key that deploys"
            raise DeployError(f"bucket {bucket} cannot be reached: {what}") from None
        except CosClientError:
            raise DeployError(f"bucket {bucket} cannot be reached: COS does not answer") from None
        if versions == "Enabled":
            raise DeployError(
                f"bucket {bucket} is versioned: what is deleted there stays as an old version; use one that "
                "never was"
            )
        if versions:
            return (
                f"bucket {bucket}: reachable, but was versioned: old versions stay, and two deliveries at "
                "once may both pay; use one that never was"
            )
        return f"bucket {bucket}: reachable, not versioned"

    def ci_state(self) -> tuple[list[str], list[str]]:
        """Return what CI tells of the bucket, a line each: what is as it should be, and what is missing."""
        from qcloud_cos.cos_exception import CosClientError, CosServiceError

        asked = {"Regions": self.access.region, "BucketNames": self._bucket}
        lines: list[str] = []
        missing: list[str] = []
        try:
            client = self._cos()
            bound = client.ci_get_pic_bucket(**asked).get("PicBucketList")
            active = client.ci_get_ai_bucket(**asked).get("AiBucketList")
        except (CosServiceError, CosClientError):
            permission = "grant ci:DescribeMediaBuckets"
            return [
                f"not known: whether the bucket is bound to Cloud Infinite, and AI is on ({permission})"
            ], []
        if bound:
            lines.append(f"bucket {self._bucket}: bound to Cloud Infinite")
        else:
            missing.append(
                f"bucket {self._bucket}: not bound to Cloud Infinite, as far as this key sees; bind it there"
            )
        if active:
            lines.append(f"bucket {self._bucket}: AI recognition is on")
        else:
            missing.append(
                f"bucket {self._bucket}: AI recognition is off, as far as this key sees; switch it on"
            )
        return lines, missing

    def settled(self, function: str) -> dict[str, Any]:
        """Wait until a function has taken its last change, and return it.

        Raises
        ------
        DeployError
            If the change failed, or takes longer than three minutes.
        """
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            found = self.call("GetFunction", FunctionName=function)
            if found["Status"] == "Active":
                return found
            if "Fail" in str(found["Status"]):
                raise DeployError(f"function {function} is in state {found['Status']}: see the console")
            if time.monotonic() > deadline:
                raise DeployError(f"function {function} is still in state {found['Status']}: try again later")
            self._sleep(_PAUSE_S)

    def _cos(self) -> Any:
        from qcloud_cos import CosConfig, CosS3Client

        proxy = self.access.proxy
        config = CosConfig(
            Region=self.access.region,
            SecretId=self.access.secret_id,
            SecretKey=self.access.secret_key,
            Token=self.access.token or None,
            Scheme="http" if proxy else "https",
            Proxies={"http": proxy} if proxy else None,
        )
        return encrypting(CosS3Client, self._encryption)(config, retry=1)


class _cos_errors:  # noqa: N801 - used like a function
    """Turns the COS SDK's errors into `DeployError`."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        from qcloud_cos.cos_exception import CosClientError, CosServiceError

        if isinstance(error, CosServiceError):
            raise DeployError(
                f"COS refuses: {error.get_error_code()}; the key needs cos:HeadObject, cos:PutObject, "
                "cos:GetObject and cos:DeleteObject, on .cardveil/deploy/* to deploy, everywhere to check"
            ) from None
        if isinstance(error, CosClientError):
            raise DeployError("COS does not answer: try again") from None
