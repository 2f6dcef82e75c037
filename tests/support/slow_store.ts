/**
 * A store that takes its time, as one does that is reached over a network: whatever is asked of it happens a
 * while after it was asked, and is heard of a while after it happened.
 */

/** `pause` is awaited before and after each call of a method. */
export function slowed<T extends object>(target: T, pause: () => Promise<unknown>): T {
  return new Proxy(target, {
    get(object, name, receiver) {
      const member = Reflect.get(object, name, receiver);
      if (typeof member !== "function") return member;
      return async (...values: unknown[]) => {
        await pause();
        const answer = await member.apply(object, values);
        await pause();
        return answer;
      };
    },
  });
}
