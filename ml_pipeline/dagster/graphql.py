"""What a webserver is asked over GraphQL."""

from typing import Final

REPOSITORIES: Final = """
{
  repositoriesOrError {
    ... on RepositoryConnection {
      nodes { name location { name } assetNodes { assetKey { path } } }
    }
    ... on Error { message }
  }
}"""
LAUNCH: Final = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}"""
FOLLOW: Final = """
query($run: ID!, $cursor: String, $limit: Int!) {
  runOrError(runId: $run) {
    ... on Run {
      status
      eventConnection(afterCursor: $cursor, limit: $limit) {
        cursor
        hasMore
        events {
          __typename
          ... on MaterializationEvent {
            partition
            assetKey { path }
            metadataEntries { ...told }
          }
          ... on AssetCheckEvaluationEvent {
            evaluation {
              assetKey { path }
              checkName
              timestamp
              partition
              success
              severity
              description
              metadataEntries { ...told }
            }
          }
          ... on LogMessageEvent { level message }
          ... on ErrorEvent { error { message causes { message } } }
          ... on ExecutionStepFailureEvent {
            failureMetadata { metadataEntries { label ... on JsonMetadataEntry { jsonString } } }
          }
        }
      }
    }
    ... on Error { message }
  }
}
fragment told on MetadataEntry {
  label
  ... on TextMetadataEntry { text }
  ... on PathMetadataEntry { path }
  ... on UrlMetadataEntry { url }
  ... on IntMetadataEntry { intValue }
  ... on FloatMetadataEntry { floatValue }
  ... on BoolMetadataEntry { boolValue }
  ... on JsonMetadataEntry { jsonString }
  ... on TimestampMetadataEntry { timestamp }
  ... on TableMetadataEntry { table { records } }
}"""
