const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}

/** A text as XML has it between tags and in attributes. */
export function xmlText(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char] ?? char)
}

/** What {@link xmlText} was made from; numeric references are read, too. */
export function fromXmlText(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9a-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/gi,
    (whole, hex, decimal, name) => {
      if (typeof hex === 'string') return String.fromCodePoint(parseInt(hex, 16))
      if (typeof decimal === 'string') return String.fromCodePoint(Number(decimal))
      return (
        Object.entries(ENTITIES).find(([, entity]) => entity === `&${String(name)};`)?.[0] ?? String(whole)
      )
    },
  )
}
