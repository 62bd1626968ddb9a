import { describe, expect, it } from 'vitest'
import { parseHelperLook } from '../../../src/services/helper.ts'

const IMAGE = `sha256:${'a'.repeat(64)}`
const good = {
  me: 'me\tubuntu\tubuntu docker',
  endpoint: 'endpoint\tunix:///var/run/docker.sock',
  engine: 'engine\t24.0.7\t["name=apparmor","name=seccomp,profile=builtin"]',
  nsenter: 'nsenter\tyes',
  space: 'space\tmnt:[4026531841]',
  image: `image\t${IMAGE}\tredis:7-alpine`,
  end: 'end',
}
const look = (changed: Partial<Record<keyof typeof good, string>> = {}) =>
  parseHelperLook('prod', Buffer.from(`${Object.values({ ...good, ...changed }).join('\n')}\n`))

describe('what a helper container is made of', () => {
  it('is an image by its id; its name is for people', () => {
    expect(look()).toEqual({
      helper: { docker: { image: IMAGE, name: 'redis:7-alpine' } },
      space: 'mnt:[4026531841]',
    })
  })

  it('may be there with shifted owners: the helper’s are the server’s', () => {
    expect(look({ engine: 'engine\t24.0.7\t["name=userns"]' }).helper.docker.image).toBe(IMAGE)
  })

  it.each([
    ['rootless', { engine: 'engine\t24.0.7\t["name=rootless"]' }, 'rootless', 'sudo: true'],
    ['a client that can’t be told not to pull', { engine: 'engine\t19.03.8\t[]' }, '19.03.8', '20.10'],
    ['no nsenter', { nsenter: 'nsenter\tno' }, 'nsenter', 'util-linux'],
    ['no image', { image: '' }, 'no image', 'docker pull'],
    ['an image that is none', { image: 'image\t--privileged\tx' }, 'no image', 'docker pull'],
    ['a cut answer', { end: '' }, 'cut short', 'again'],
    ['an engine elsewhere', { endpoint: 'endpoint\ttcp://10.0.0.1:2375' }, 'elsewhere', 'host of its own'],
  ])('refuses %s, and says what to do', (_what, changed, message, next) => {
    expect(() => look(changed)).toThrow(
      expect.objectContaining({
        message: expect.stringContaining(message) as unknown,
        details: expect.objectContaining({ next: expect.stringContaining(next) as unknown }) as unknown,
      }),
    )
  })
})
