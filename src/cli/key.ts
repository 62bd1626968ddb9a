import type { Command } from 'commander'
import type { Declare } from './program.ts'

export function declareKeyCommands(_program: Command, _declare: Declare): void {}
