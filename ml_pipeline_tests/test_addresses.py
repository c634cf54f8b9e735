"""Credentials in addresses: told from what is none, and shown without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_pipeline.addresses import credentials_in, masked, without_credentials

SECRET = "Pa55Word"


@pytest.mark.parametrize(
    "address",
    [
        f"https://Ann:{SECRET}@127.0.0.1:1/o.csv",
        f"https://127.0.0.1:1/o.parquet?X-Amz-Signature={SECRET}",
        f"s3://key:{SECRET}@bucket/orders",
        f"s3://AKIA:ab/{SECRET}/cd@bucket/x",
        f"s3://key:{SECRET}%40bucket/x",
        f"s3://key:se@{SECRET}@bucket/x@y",
        f"gs://key:two {SECRET}@bucket/x",
        f"HTTPS://{SECRET}@example.com/x",
        f"https://1:{SECRET}@example.com/x",
        f"s3:/key:{SECRET}@bucket",
        f"s3:key:{SECRET}@bucket",
        f"key:{SECRET}@host/x",
        f"//key:{SECRET}@host/x",
        f"redis://:{SECRET}@host",
        f"postgresql+psycopg://ann:{SECRET}@host/studies",
        f"postgresql://ann@host/studies?password={SECRET}",
        f"host=db password={SECRET}",
        f"jdbc:postgresql://u:{SECRET}@h/db",
        f"simplecache::s3://k:{SECRET}@b/x",
        f"https://h/x?sv=1&sig={SECRET}",
        f"https://h/x?AWSAccessKeyId={SECRET}&Expires=1",
        f"https://h/x?X%2DAmz%2DCredential={SECRET}",
        f"az://c/x?SharedAccessSignature={SECRET}",
        f"https://h/#access_token={SECRET}",
        f"https://u%3A{SECRET}%40h/o.csv",
        f"https://h/o.csv?x=1?sig={SECRET}",
        f"https://h/o.csv?sig={SECRET}?token={SECRET}",
        f"https://h/o.csv;jsessionid={SECRET}",
        f"https://h/o.csv?Ocp-Apim-Subscription-Key={SECRET}",
        f"https://h/o.csv?auth_key={SECRET}",
        f"https://h/o.csv?client_assertion={SECRET}",
        f"https://h/o.csv?hmac={SECRET}",
        f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={SECRET}==",
    ],
)
def test_credentials_in_an_address_are_told_and_masked(address: str) -> None:
    assert credentials_in(address) is not None
    assert SECRET not in masked(address)
    sentence = f"A source must exist, but got '{address}' (base.yaml)"
    assert SECRET not in masked(sentence)
    assert SECRET not in str(without_credentials({"sources": [address]}))


@pytest.mark.parametrize(
    "text",
    [
        "sample",
        "./a@b.csv",
        "C:/x/a@b.csv",
        "C:\\x\\a@b.csv",
        "s3://bucket/user@example.com/x.csv",
        "s3://bucket/key=5/x.csv",
        "/data/token=5/2009-01-05T10:00:00@x.csv",
        "abfss://container@account.dfs.core.windows.net/x",
        "postgresql://ann@host/studies",
        "sqlite:////tmp/studies.db",
        "http://localhost:9000/a@b.csv",
        "http://[::1]:80/x@y",
        "https://h/x?versionId=3",
        "mail ann@example.com at 10:30",
        "author=ann",
        "https://h/x?primary_key=a&session_days=3&design=b&host=c",
        "training.learning_rate must be number > 0, but got 3 (x.yaml)",
    ],
)
def test_credentials_are_not_seen_where_there_are_none(text: str) -> None:
    assert credentials_in(text) is None
    assert masked(text) == text


@given(st.text(max_size=200))
def test_masked_text_holds_no_credential_and_is_masked_once(text: str) -> None:
    assert masked(masked(text)) == masked(text)
