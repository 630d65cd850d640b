// The server's JSON, and the admin key where one is asked for. The key lives in this tab's session storage only.

const KEY = "llmctl.key";
let unstored = null; // the key, where session storage is off

function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return unstored;
  }
}

/** Whether a key is in use. */
export const hasKey = () => stored() !== null;

/** Use this key from now on; null forgets it. */
export function useKey(key) {
  unstored = key;
  try {
    if (key === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, key);
  } catch {
    // kept in the variable above
  }
}

/** What the server refused, with its status. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** GET /console/api/… as an object. Throws Refused, and TypeError where nobody answers. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value !== null));
  const headers = { accept: "application/json" };
  if (hasKey()) headers.authorization = `Bearer ${stored()}`;
  const answer = await fetch(`/console/api/${path}${query.size ? `?${query}` : ""}`, {
    headers,
    cache: "no-store",
    credentials: "omit",
    signal: AbortSignal.timeout(15000),
  });
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // not ours: a proxy's page
  }
  if (!answer.ok) throw new Refused(answer.status, body?.error?.message ?? `the server answered ${answer.status}`);
  return body;
}
