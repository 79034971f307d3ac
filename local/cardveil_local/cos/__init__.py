"""The local object store: Tencent COS's XML API over files on disk."""
