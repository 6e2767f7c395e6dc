// What every client is asked to do. Lines that begin with "sim:" tell the simulated vendor what to answer.
export const weather = {
  name: 'get_weather', description: 'The weather of a city.',
  schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
}
export const clock = {
  name: 'get_time', description: 'The time in a zone.',
  schema: { type: 'object', properties: { zone: { type: 'string' } }, required: ['zone'], additionalProperties: false },
}
export const person = {
  type: 'object', properties: { name: { type: 'string' }, age: { type: 'integer' } }, required: ['name', 'age'], additionalProperties: false,
}
export const say = 'Hello there.\nsim: say The answer is 42.'
export const said = 'The answer is 42.'
export const callOne = 'Look outside.\nsim: call get_weather {"city":"Paris"}'
export const callTwo = 'Look outside, and at the clock.\nsim: call get_weather {"city":"Paris"}\nsim: call get_time {"zone":"CET"}\nsim: call-all'
export const result = 'twelve degrees and rain'

/** A picture of one pixel. */
export const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
