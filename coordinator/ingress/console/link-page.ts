/**
 * The page `/link` of a network whose console is not built: it explains how to approve a machine
 * with a command. The code comes from a link, so it is shown only if it has the form of a code;
 * otherwise an attacker could put a text of their own on the page.
 */
export function linkPage(userCode: unknown): string {
  const code =
    typeof userCode === 'string' && /^[A-Z]{4}-[A-Z]{4}$/.test(userCode) ? userCode : '<its code>';
  return [
    'A machine wants to serve models on this network, in your name: what it earns will be yours.',
    'Approve it only if the machine in front of you shows this very code.',
    '',
    `  npx dinf approve ${code}`,
    '',
    `or, with your sign-in token:  POST /v1/device/approve  {"user_code": "${code}"}`,
    '',
  ].join('\n');
}
