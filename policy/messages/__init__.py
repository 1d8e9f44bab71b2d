"""What people and programs are told of what happens, as rows that workers send.

notices     mails to people
webhooks    addresses that a tree's administrators have told
"""
