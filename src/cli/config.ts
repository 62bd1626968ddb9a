import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declareConfigCommands(_program: Command, _declare: Declare): void {}
