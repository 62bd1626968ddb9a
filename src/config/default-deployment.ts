/** Where a deployment lies when the config does not say. */
export const DEFAULT_DEPLOYMENT = '~/claude-relay-deployment'
