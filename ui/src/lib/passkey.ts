// Passkeys: from the server's words to the browser's and back. Bytes travel as base64url without padding.
import { write } from './api.ts';
import type { Me, Passkey } from './api-types.ts';

/** Whether this browser can be asked for one on this page: over https or on the machine itself, and by a name. */
export const possible = (): boolean => isSecureContext && typeof PublicKeyCredential === 'function' && !/^[\d.]+$|:/.test(location.hostname);

export function encode(bytes: ArrayBuffer): string {
  const text = Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join('');
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function decode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
}

interface Offer {
  challenge: string;
  domain: string;
  user_id: string;
  user_name: string;
  user_full_name: string;
  algorithms: number[];
  known: string[];
}

/** Makes a passkey; null if the browser or its user did not. */
export async function make(name: string, password: string): Promise<{ passkey: Passkey; recovery_codes: string[] } | null> {
  const offer = await write<Offer>('POST', '/auth/passkeys/offer', { password });
  const made = await asked(() =>
    navigator.credentials.create({
      publicKey: {
        challenge: decode(offer.challenge),
        rp: { id: offer.domain, name: 'hark' },
        user: { id: decode(offer.user_id), name: offer.user_name, displayName: offer.user_full_name || offer.user_name },
        pubKeyCredParams: offer.algorithms.map((alg) => ({ type: 'public-key', alg })),
        excludeCredentials: offer.known.map((id) => ({ type: 'public-key', id: decode(id) })),
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        attestation: 'none',
      },
    }),
  );
  if (made === null) return null;
  const answer = made.response as AuthenticatorAttestationResponse;
  return write('POST', '/auth/passkeys', { name, client_data: encode(answer.clientDataJSON), attestation: encode(answer.attestationObject) });
}

/** Signs in with a passkey; null if the browser or its user did not. */
export async function signIn(): Promise<Me | null> {
  const { challenge, domain } = await write<{ challenge: string; domain: string }>('POST', '/auth/passkey/challenge');
  const found = await asked(() => navigator.credentials.get({ publicKey: { challenge: decode(challenge), rpId: domain, userVerification: 'required' } }));
  if (found === null) return null;
  const answer = found.response as AuthenticatorAssertionResponse;
  const login = await write<{ user: Me }>('POST', '/auth/passkey', {
    id: encode(found.rawId),
    client_data: encode(answer.clientDataJSON),
    authenticator_data: encode(answer.authenticatorData),
    signature: encode(answer.signature),
    user_id: answer.userHandle === null ? null : encode(answer.userHandle),
  });
  return login.user;
}

/** Asks the browser. That it was cancelled, took too long or there is no key is nobody's fault. */
async function asked(question: () => Promise<Credential | null>): Promise<PublicKeyCredential | null> {
  try {
    return (await question()) as PublicKeyCredential | null;
  } catch {
    return null;
  }
}
