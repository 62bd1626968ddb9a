import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declarePullCommands(_program: Command, _declare: Declare): void {}
